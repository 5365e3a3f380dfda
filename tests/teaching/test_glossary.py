import pytest

from rsviz.teaching import glossary
from rsviz.ui.page_list import PAGES


@pytest.mark.parametrize("page", [page[0] for page in PAGES])
def test_every_page_explains_words_that_exist(page):
    terms = glossary.on_page(page)
    assert 5 <= len(terms) == len(set(terms))
    assert all(len(glossary.help_text(term)) > 30 for term in terms)
    assert page in glossary.PAGE_TERMS


def test_terms_are_told_in_sentences_and_have_addresses_of_their_own():
    assert all(text.endswith(".") for text in glossary.TERMS.values())
    anchors = [glossary.anchor(term) for term in glossary.TERMS]
    assert len(set(anchors)) == len(anchors)
    assert glossary.anchor("Clopper-Pearson bound") == "clopper-pearson-bound"
    with pytest.raises(KeyError):
        glossary.help_text("no such word")
