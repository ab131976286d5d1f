"""Connecting to the store that the settings name, or to the embedded one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from shengdun.index.attached import AttachedStore
from shengdun.index.connections import StoreSettings
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreUnavailable
from shengdun.index.store import Store
from shengdun.service.profile_places import STORE_DIRECTORY
from shengdun.service.settings import Settings


def store_settings(settings: Settings, url: str) -> StoreSettings:
    """How the index reaches a store of this URL."""
    store = settings.store
    return StoreSettings(
        url=url,
        key_prefix=store.prefix,
        tls_ca=store.ca_certificate,
        tls_certificate=store.client_certificate,
        tls_key=store.client_key,
    )


async def open_store(settings: Settings, run_by: Path | None, stack: AsyncExitStack) -> Store:
    """Connect until the stack is left.

    Args:
        settings: which store.
        run_by: the directory of an embedded store that another process runs; None to run it here.
        stack: closes it.

    Raises:
        ShengdunError: it can't be reached or started.
    """
    if settings.store.url is not None:
        url = settings.store.url.get_secret_value()
        store = await Store.connect(store_settings(settings, url))
    elif run_by is not None:
        attached = AttachedStore(run_by)
        store = await Store.connect(store_settings(settings, attached.url), guard=attached)
    else:
        embedded = await stack.enter_async_context(
            EmbeddedStore(settings.data_dir / STORE_DIRECTORY)
        )
        store = await Store.connect(store_settings(settings, embedded.url), guard=embedded)
    stack.push_async_callback(store.close)
    return store


@asynccontextmanager
async def store_beside(settings: Settings) -> AsyncIterator[Store]:
    """The store for a command on the server's machine, which may be running or not.

    Raises:
        ShengdunError: it can't be reached or started.
    """
    async with AsyncExitStack() as stack:
        try:
            store = await open_store(settings, settings.data_dir / STORE_DIRECTORY, stack)
        except StoreUnavailable:
            if settings.store.url is not None:
                raise
            store = await open_store(settings, None, stack)
        yield store
