"""Learn: eight short lessons on live data, and the frame that holds them."""
