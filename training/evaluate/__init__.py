"""What a bundle reaches, measured on people, products and places that were held out of training."""
