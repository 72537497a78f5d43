"""A member of a crew: started as ``python -m secscan.engine.crew_member PARENT``; see ``secscan.engine.crew``."""

import sys

from secscan.engine.crew import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]))
