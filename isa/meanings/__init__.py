"""What each instruction does, one small function each, over the algebra."""
