"""When a page of the app has come to rest."""

SETTLED = """(quiet) => {
  const app = document.querySelector('[data-testid="stApp"]');
  const still = app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-testid="stSkeleton"]');
  if (!still) { window.__still = null; return false }
  window.__still = window.__still || performance.now();
  return performance.now() - window.__still > quiet;
}"""


def settle(page, quiet_ms: int = 300) -> None:
    """Waits until the script has been quiet for a while. A hint only: assert on what is visible afterwards."""
    page.evaluate("() => { window.__still = null }")
    page.wait_for_function(SETTLED, arg=quiet_ms, timeout=60_000, polling=50)
