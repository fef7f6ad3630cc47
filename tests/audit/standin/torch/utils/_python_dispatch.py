class TorchDispatchMode:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def _get_current_dispatch_mode_stack():
    return []
