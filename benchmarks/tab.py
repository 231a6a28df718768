"""A browser tab without a browser: it speaks to a server as one does over a websocket, and paints nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ButtonGroup_pb2 import ButtonGroup
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE = 30.0  # seconds; a rerun that takes longer has failed
_WORDS = {"heading": "body", "markdown": "body", "html": "body", "alert": "body", "exception": "message"}


class Tab:
    """One page in a session of its own.

    chosen  segmented control -> the option that was pressed last
    texts   titles, paragraphs and boxes of the page as it was when it had come to rest
    """

    def __init__(self, page: str, query: str, lot: random.Random) -> None:
        self.page, self.query = page, query
        self.chosen: dict[str, str] = {}
        self.texts: tuple[str, ...] = ()
        self._controls: dict[str, ButtonGroup] = {}
        self._lot = lot

    @asynccontextmanager
    async def session(self, address: str) -> AsyncIterator[websockets.ClientConnection]:
        stream = f"ws://{address}/_stcore/stream"
        async with websockets.connect(stream, subprotocols=["streamlit"], max_size=None) as socket_:
            yield socket_

    def press(self) -> None:
        """Chooses another option of one of the page's segmented controls, where there is one."""
        if self._controls:
            control = self._lot.choice(list(self._controls.values()))
            others = [o.content for o in control.options if o.content != self.chosen.get(control.id)]
            self.chosen[control.id] = self._lot.choice(others)

    async def rerun(self, socket_: websockets.ClientConnection) -> float:
        """Seconds until the server has run the page with what is chosen; infinite where that failed."""
        message = BackMsg()
        message.rerun_script.page_name, message.rerun_script.query_string = self.page, self.query
        for name, option in self.chosen.items():
            message.rerun_script.widget_states.widgets.add(id=name).string_array_value.data.append(option)
        began = time.perf_counter()
        await socket_.send(message.SerializeToString())
        try:
            async with asyncio.timeout(PATIENCE):
                fine = await self._finished(socket_)
        except (TimeoutError, websockets.ConnectionClosed):
            fine = False
        return time.perf_counter() - began if fine else float("inf")

    async def _finished(self, socket_: websockets.ClientConnection) -> bool:
        """Whether the script ran to its end without showing an exception; takes note of what stands on the page."""
        drawn: dict[tuple[int, ...], Element] = {}
        while True:
            message = ForwardMsg.FromString(await socket_.recv())
            kind, place = message.WhichOneof("type"), tuple(message.metadata.delta_path)
            if kind == "new_session":
                drawn.clear()
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                drawn[place] = message.delta.new_element
            elif kind == "delta":
                drawn.pop(place, None)
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._take_note([drawn[place] for place in sorted(drawn)])
                shown = any(element.HasField("exception") for element in drawn.values())
                return not shown and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY

    def _take_note(self, elements: list[Element]) -> None:
        groups = [element.button_group for element in elements if element.HasField("button_group")]
        self._controls = {group.id: group for group in groups if len(group.options) > 1}
        kinds = [(element.WhichOneof("type"), element) for element in elements]
        self.texts = tuple(getattr(getattr(e, kind), _WORDS[kind]) for kind, e in kinds if kind in _WORDS)
