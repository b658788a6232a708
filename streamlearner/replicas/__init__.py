"""Following published versions: whoever serves an exported model keeps up with the daemon that learns.

location.py    where versions are published: a folder, or a URL
model.py       one exported version as a Predictor, as serving takes it
following.py   Follower: loads each new version aside, warms it, hands it over
"""

from streamlearner.replicas.following import Followed, Follower
from streamlearner.replicas.location import Location
from streamlearner.replicas.model import NotServed, predictor_of

__all__ = ["Followed", "Follower", "Location", "NotServed", "predictor_of"]
