import pytest

from pbs.contract import notices


def test_a_notice_goes_to_standard_error(capsys):
    notices.notify("compiling")
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "pbs: compiling\n")


def test_a_listener_gets_notices_instead_while_it_listens(capsys):
    heard, inner = [], []
    with notices.listening(heard.append):
        notices.notify("one")
        with notices.listening(inner.append):
            notices.notify("two")
        notices.notify("three")
    notices.notify("four")
    assert (heard, inner, capsys.readouterr().err) == (["one", "three"], ["two"], "pbs: four\n")


def test_a_listener_is_gone_after_an_error(capsys):
    with pytest.raises(ZeroDivisionError), notices.listening(print):
        raise ZeroDivisionError
    notices.notify("still heard")
    assert capsys.readouterr().err == "pbs: still heard\n"
