"""What a request costs in CPU, beside handlers written by hand and beside another checkout."""
