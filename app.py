"""The entrance: streamlit run app.py."""

from rsviz import ui

ui.run()
