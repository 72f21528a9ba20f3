"""One run of a dialplan over one call."""

from collections.abc import Callable

import structlog

from auth_core import AuthService
from ivr.dialplan.handlers import HANDLERS
from ivr.dialplan.phone import Phone
from ivr.dialplan.scene import Answers, CallContext, Ending, Facts, Scene, SignedOut, Trouble
from ivr.dialplan.schema import Dialplan

__all__ = ["CallContext", "Ending", "Facts", "Run"]

log = structlog.get_logger(__name__)


class Run:
    """A flow that a caller lives through, from its start to the end of the call.

    `facts` can be read at any time, also after the caller left.
    """

    def __init__(
        self,
        plan: Dialplan,
        phone: Phone,
        people: AuthService,
        context: CallContext,
        entered: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`entered` is told the name of each node that is gone to."""
        self._entered = entered
        self.facts = Facts(language=context.language)
        self._scene = Scene(
            plan, phone, people, context, self.facts, answers=Answers(caf=context.caf)
        )

    async def run(self) -> None:
        """Go from node to node until the flow has hung up or transferred the call.

        Raises `CallEnded` when the caller leaves before.
        """
        scene = self._scene
        settings = scene.plan.settings
        await scene.phone.speak(self.facts.language)
        name: str | None = settings.start
        apologised = False
        while name is not None:
            self.facts.node = name
            self._entered(name)
            node = scene.plan.nodes[name]
            try:
                name = await HANDLERS[type(node)](scene, node)
            except SignedOut:
                scene.session = None
                name = settings.signed_out or settings.trouble
            except Trouble as trouble:
                log.warning("flow in trouble", call_id=scene.context.call_id, cause=str(trouble))
                if apologised:
                    await scene.phone.hang_up()
                    self.facts.end_reason = Ending.COMPLETED
                    return
                name, apologised = settings.trouble, True
