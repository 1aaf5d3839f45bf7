"""Training the UNet that completes collages: person, hand, plinth, shadow and light around a product that is kept."""
