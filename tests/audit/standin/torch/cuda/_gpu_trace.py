callbacks = []


def register_callback_for_stream_synchronization(callback):
    callbacks.append(callback)


def register_callback_for_device_synchronization(callback):
    pass


def register_callback_for_event_synchronization(callback):
    pass


class _Listened:
    """Reports that somebody else has asked for: with these the auditor leaves alone torch's table of methods, which is not here."""

    name = "CUDA event creation"
    callback_list = (print,)


EventCreationCallbacks = _Listened()
