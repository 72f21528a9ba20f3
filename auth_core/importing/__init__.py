"""Case files and PINs from elsewhere."""
