"""What is measured of a picture, per dimension."""
