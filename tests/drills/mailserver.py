"""A real SMTP server as a process of its own: ``python -m tests.drills.mailserver FILE SECONDS``.

Prints its port. Writes ``message-id recipient`` into the file for each mail it takes, in the middle of the ``SECONDS`` for which
it keeps the sender waiting: so a sender that is killed meanwhile may have been heard or not, and cannot know.
"""

from __future__ import annotations

import asyncio
import os
import sys
from email.parser import BytesHeaderParser

from aiosmtpd.smtp import SMTP


class Inbox:
    def __init__(self, file: str, seconds: float) -> None:
        self.file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.seconds = seconds

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.seconds / 2)
        message_id = BytesHeaderParser().parsebytes(envelope.content)["Message-ID"]
        for recipient in envelope.rcpt_tos:
            os.write(self.file, f"{message_id} {recipient}\n".encode())
        await asyncio.sleep(self.seconds / 2)
        return "250 OK"


async def main(file: str, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    inbox = Inbox(file, seconds)
    server = await loop.create_server(lambda: SMTP(inbox, loop=loop, hostname="drill"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
