"""EnterpriseHub: real-time lead intelligence beside GoHighLevel.

Start reading at ``bootstrap.py`` (what is plugged into what) or ``docs/architecture.md`` (which room holds what).
"""

__version__ = "0.1.0"
