"""Eyes: pretrained networks, frozen, that turn images into the feature vectors which are learned from."""
