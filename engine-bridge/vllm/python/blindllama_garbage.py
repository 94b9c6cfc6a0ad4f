"""When Python looks for garbage. While vLLM is imported, it would look through millions of objects time and again, and find next to nothing."""

import gc

_USUAL = gc.get_threshold()


def look_rarely():
    """While much is made that stays."""
    gc.set_threshold(50_000, 20, 100)


def keep():
    """What there is stays, and is looked through no more. vLLM itself does so once its engine is made, but searches five times before."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
