def _str(self, *, tensor_contents=None):
    return "tensor()"


def _str_intern(inp, *, tensor_contents=None):
    return "tensor()"
