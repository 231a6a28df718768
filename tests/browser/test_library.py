"""The Library page: masks come in by upload, bad files are refused in a sentence, tickets go out and are compared."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn
from torch.nn.utils import prune

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


class Code:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def pruned_file(folder: Path, seed: int, width: int = 4) -> Path:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(1, width, 3), nn.Conv2d(width, 4, 3))
    prune.global_unstructured([(layer, "weight") for layer in network], prune.L1Unstructured, amount=0.5)
    path = folder / f"net{seed}-{width}.pt"
    torch.save(network.state_dict(), path)
    return path


def upload(page: Page, *files: Path) -> None:
    page.locator('[data-testid="stFileUploader"] input[type=file]').set_input_files([str(file) for file in files])
    page.get_by_role("button", name=re.compile("^Import")).wait_for()
    settle(page)
    page.get_by_role("button", name=re.compile("^Import")).click()


def test_masks_come_in_and_are_looked_at(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/library")
    upload(page, pruned_file(tmp_path, 1), pruned_file(tmp_path, 2))
    expect(page.get_by_text("2 tickets over 180 weights")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("masks among its tensors are used for 2 tensors")).to_be_visible()
    page.get_by_role("link", name="See what they share").click()
    expect(page.get_by_text("imported masks").first).to_be_visible()
    settle(page)
    assert "run=masks-" in page.url and "/masks" in page.url
    expect(page.get_by_role("heading", level=1)).to_contain_text("chance")
    assert not page.outside


def test_bad_files_are_refused_in_one_sentence_and_nothing_runs(serve, visit, tmp_path):
    code = tmp_path / "code.pt"
    code.write_bytes(pickle.dumps(Code(tmp_path / "executed")))
    page = visit(f"{serve(tmp_path / 'runs')}/library")
    upload(page, code, pruned_file(tmp_path, 1))
    expect(page.get_by_text(re.compile(r"Nothing was imported: code\.pt"))).to_be_visible(timeout=60_000)
    assert not (tmp_path / "executed").exists()
    page.reload()
    settle(page)
    upload(page, pruned_file(tmp_path, 1), pruned_file(tmp_path, 2, width=6))
    expect(page.get_by_text(re.compile(r"tensor '0\.weight' has shape .* but .* in net2-6\.pt"))).to_be_visible(
        timeout=60_000
    )
    assert not list((tmp_path / "runs").glob("masks-*"))


def test_a_ticket_goes_out_comes_back_and_is_refused_by_another_network(serve, visit, tmp_path):
    address = serve(tmp_path / "runs")
    page = visit(f"{address}/library?run=domains&library=Take+out+a+ticket")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("^Download")).first.click()
    ticket = tmp_path / download.value.suggested_filename
    download.value.save_as(ticket)
    page = visit(f"{address}/library?run=domains&library=Load+a+ticket")
    page.locator('[data-testid="stFileUploader"] input[type=file]').set_input_files(str(ticket))
    expect(page.get_by_text("fits: accuracy")).to_be_visible(timeout=90_000)
    page = visit(f"{address}/library?run=fashion10&library=Load+a+ticket")
    page.locator('[data-testid="stFileUploader"] input[type=file]').set_input_files(str(ticket))
    expect(page.get_by_text(re.compile("Not loaded: .* has other weights"))).to_be_visible(timeout=60_000)


def test_two_tickets_of_a_run_are_compared(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/library?run=domains&library=Compare+two")
    expect(page.get_by_text("Both are for the same shared weights.")).to_be_visible(timeout=60_000)
    expect(page.locator(".js-plotly-plot")).to_be_visible()
