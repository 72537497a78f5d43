"""What secscan says of real systems, held against what their own tools and Debian's say of them."""
