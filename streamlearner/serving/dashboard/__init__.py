"""The dashboard: GET / and its files, without a build step and without any request to other hosts.

page.py         serves them, under a strict content security policy
files/          the page, its styles, a module of JavaScript for each part of it
files/vendor/   uPlot 1.6.32 as published (MIT, its licence beside it): draws the curves
"""
