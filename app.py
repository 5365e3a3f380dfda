"""The entrance: streamlit run app.py."""

from rsviz.ui import frame

frame.run()
