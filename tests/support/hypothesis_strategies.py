"""Hypothesis strategies for parameters."""

from hypothesis import strategies as st

from paynearme.protocol.signing import UNSIGNED

signed_names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda n: n not in UNSIGNED)
values = st.text(max_size=20)
parameters = st.dictionaries(signed_names, values, min_size=1, max_size=8)

any_text = st.lists(st.text(max_size=8) | st.sampled_from(["\ud800", "\udfff"]), max_size=4).map("".join)
"""Text of any code points, with lone surrogates, which UTF-8 cannot encode."""
