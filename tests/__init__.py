"""The tests, and the lab of real servers that they and the demo run against."""
