"""The page in a real browser: what a person does with it, and what the browser and the server let nobody do."""

import io
import json
import runpy
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from zipfile import ZipFile

import pytest

from vitreous.view.serve import warning

driver = runpy.run_path(str(Path(__file__).parents[1] / "report" / "browser.py"))
chromium = driver["find_chromium"]()
in_browser = pytest.mark.skipif(chromium is None, reason="no Chromium here:  apt-get install -y chromium")
GRADIOS = "Method not implemented."  # warned by Gradio's own client when it closes a stream
WAIT = 180.0  # s; a machine that does other things, too


@pytest.fixture(scope="module")
def served(viewer, tmp_path_factory):
    """Address of a running viewer, and the folder that uploads go to."""
    pytest.importorskip("gradio")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Gradio's own parts
        patch.setenv("GRADIO_TEMP_DIR", str(uploads := tmp_path_factory.mktemp("uploads")))
        from vitreous.view.page import Page
        from vitreous.view.serve import serve

        page = Page(viewer)
        address = serve(page, browser=False, wait=False)
        yield address.rstrip("/"), uploads
        page.blocks.close(verbose=False)


@pytest.fixture(scope="module")
def open_page(served):
    """Pages in browsers of their own; in the end, none has complained and none has asked another machine."""
    opened = []

    def opens(width=1280, **features):
        browser = driver["Chromium"](chromium).__enter__()
        opened.append(browser)
        browser.open(served[0], width, 900, **features)
        browser.wait("document.querySelector('#vt-cards .vt-card') !== null", WAIT)
        return browser

    yield opens
    for browser in opened:
        browser.__exit__(None, None, None)
        assert [said for said in browser.errors if GRADIOS not in said] == []
        hosts = {address.split("/")[2].rpartition(":")[0] for address in browser.requests if "://" in address}
        assert hosts == {"127.0.0.1"}


@pytest.fixture(scope="module")
def page(open_page):
    return open_page()


def text(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")


def shows(page, selector, words):
    page.wait(f"(document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(words)})", WAIT)


def bring(page, path):
    """A file to the drop zone, as the dialogue gives it."""
    page.wait("document.querySelector('#vt-file input[type=file]') !== null", WAIT)
    page.give("#vt-file input[type=file]", path)


def picture(page):
    return page.run("document.querySelector('#vt-picture img')?.src ?? ''")


def tab(page, name):
    page.run(
        f"[...document.querySelectorAll('[role=tab]')].find(e => e.innerText.trim() == {json.dumps(name)}).click()"
    )


def slots_of(page):
    page.click("#vt-export")
    page.wait("document.querySelector('#vt-zip a') !== null", WAIT)
    with urllib.request.urlopen(page.run("document.querySelector('#vt-zip a').href")) as answer:
        return json.loads(ZipFile(io.BytesIO(answer.read())).read("slots.json"))


@in_browser
def test_a_picture_is_brought_switched_named_and_exported(page, brought):
    bring(page, brought / "desk.png")
    shows(page, "#vt-caption", "desk.png")
    assert page.run("document.querySelectorAll('#vt-cards .vt-card').length") > 3
    before = picture(page)
    page.click("#vt-cards .vt-card input[type=checkbox]")
    page.wait(f"document.querySelector('#vt-picture img').src != {json.dumps(before)}", WAIT)
    page.run(
        "(() => { const name = document.querySelectorAll('#vt-cards .vt-card input[type=text]')[1]; "
        "name.value = 'the <b>large</b> {{ball}}'; name.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    tab(page, "Attention")
    shows(page, "#vt-attention", "the <b>large</b> {{ball}}")
    tab(page, "Objects")
    about = slots_of(page)
    assert about["picture"] == "desk.png"
    assert [slot["name"] for slot in about["slots"] if not slot["name"].startswith("slot ")] == [
        "the <b>large</b> {{ball}}"
    ]
    assert [slot["on"] for slot in about["slots"]].count(False) == 1


@in_browser
def test_an_object_is_found_elsewhere_and_the_run_is_described(page):
    page.run("document.querySelectorAll('.vt-find')[1].click()")
    page.wait("document.querySelectorAll('#vt-elsewhere figure').length > 3", WAIT)
    assert "cosine" in text(page, "#vt-elsewhere")
    tab(page, "In words")
    shows(page, "#vt-words", "this picture")
    tab(page, "Objects")


@in_browser
def test_a_broken_file_and_a_huge_one_give_a_message_and_leave_the_rest(page, brought):
    stays = picture(page)
    bring(page, brought / "broken.png")
    shows(page, "#vt-message [role=alert]", "broken.png")
    assert str(brought) not in text(page, "#vt-message")
    bring(page, brought / "bomb.png")
    shows(page, "#vt-message [role=alert]", "bomb.png")
    assert picture(page) == stays
    bring(page, brought / "large.png")
    shows(page, "#vt-message", "50 megapixels")
    shows(page, "#vt-caption", "large.png")


@in_browser
def test_a_clip_has_a_slider(page, brought):
    assert not page.run("document.querySelector('#vt-frame input') !== null")
    bring(page, brought / "moving.gif")
    shows(page, "#vt-caption", "frame 1 of 6")
    before = picture(page)
    page.run(
        "(() => { const at = document.querySelector('#vt-frame input[type=range]'); at.value = 4; "
        "at.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    shows(page, "#vt-caption", "frame 5 of 6")
    page.wait(f"document.querySelector('#vt-picture img').src != {json.dumps(before)}", WAIT)
    assert slots_of(page)["frame"] == 4


@in_browser
def test_two_browsers_do_not_see_each_other_and_one_is_a_phone(page, open_page, brought):
    other = open_page(390)
    assert other.run("document.documentElement.scrollWidth") <= 390
    assert other.run("document.querySelectorAll('#vt-cards .vt-card input:not(:checked)[type=checkbox]').length") == 0
    here = text(page, "#vt-caption")
    bring(other, brought / "desk.png")
    shows(other, "#vt-caption", "desk.png")
    other.click("#vt-cards .vt-card input[type=checkbox]")
    assert slots_of(other)["picture"] == "desk.png"
    mine = slots_of(page)
    assert text(page, "#vt-caption") == here
    assert mine["picture"] == "moving.gif"
    assert all(slot["on"] for slot in mine["slots"])


def post(address, body, kind):
    asked = urllib.request.Request(address, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(asked, timeout=WAIT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_an_upload_cannot_leave_its_folder(served):
    address, uploads = served
    before = set(Path(uploads).parent.rglob("*evil*"))
    for name in ("../../evil.png", "/tmp/evil.png", "..\\..\\evil.png", "%2e%2e%2fevil.png"):
        body = (
            f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\nno picture\r\n--x--\r\n"
        )
        status, answer = post(f"{address}/gradio_api/upload", body.encode(), "multipart/form-data; boundary=x")
        if status == 200:
            (path,) = json.loads(answer)
            assert Path(path).resolve().is_relative_to(Path(uploads).resolve())
    written = set(Path(uploads).parent.rglob("*evil*")) - before
    assert all(path.is_relative_to(uploads) for path in written)
    assert not Path("/tmp/evil.png").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "../../../../etc/passwd"])
def test_files_of_this_machine_are_not_served(served, path):
    for place in ("file=", "file/"):
        status, answer = post(f"{served[0]}/gradio_api/{place}{path}", None, "text/plain")
        assert status in (403, 404, 405)
        assert b"root:" not in answer


def test_a_path_of_this_machine_is_no_upload(served, still):
    """What a page sends in place of a file that was brought."""
    address, _ = served
    about = json.loads(urllib.request.urlopen(f"{address}/config").read())
    file = next(c["id"] for c in about["components"] if c["props"].get("elem_id") == "vt-file")
    calls = [at for at, call in enumerate(about["dependencies"]) if file in call["inputs"]]
    assert calls
    for at in calls:
        data = [{"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, still, False, False, False, 0.5]
        number = about["dependencies"][at]["id"]
        asked = json.dumps({"data": data, "fn_index": number, "session_hash": "s"})
        post(f"{address}/gradio_api/queue/join", asked.encode(), "application/json")
        said = b""
        with urllib.request.urlopen(f"{address}/gradio_api/queue/data?session_hash=s", timeout=WAIT) as stream:
            until = time.monotonic() + WAIT
            while b"process_completed" not in said and time.monotonic() < until:
                said += stream.readline()
        assert b'"success":false' in said
        assert b"hostname" not in said


def test_nobody_is_told(served):
    about = json.loads(urllib.request.urlopen(f"{served[0]}/config").read())
    assert not about["analytics_enabled"]
    assert not about.get("is_space")
    assert "127.0.0.1" in served[0]
    html = urllib.request.urlopen(served[0]).read().decode()
    assert "fonts.googleapis" not in html
    assert "googletagmanager" not in html


def test_an_open_door_is_said_to_be_one():
    assert warning("127.0.0.1", share=False) == ""
    assert "no password" in warning("0.0.0.0", share=False)
    assert "public address" in warning("127.0.0.1", share=True)
