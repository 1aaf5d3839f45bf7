"""From a folder of files to rows of the catalog and objects in the bucket."""
