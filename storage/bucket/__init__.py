"""The bucket: S3-compatible storage of images and manifests."""
