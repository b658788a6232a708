"""Images: torchvision's networks and data sets."""
