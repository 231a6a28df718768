"""The Streamlit side of RTL Lab: what pages are made of. Knows rtl_core; rtl_core does not know it."""
