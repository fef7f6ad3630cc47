"""Records of the functions of each release, to judge bindings by: reading, recording and storing them."""
