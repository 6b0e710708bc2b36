def connect() -> None:
    """"""
