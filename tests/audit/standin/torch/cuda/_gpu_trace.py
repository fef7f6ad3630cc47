callbacks = []


def register_callback_for_stream_synchronization(callback):
    callbacks.append(callback)


def register_callback_for_device_synchronization(callback):
    pass


def register_callback_for_event_synchronization(callback):
    pass
