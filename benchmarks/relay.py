"""Two bare LSL hops: `relay.py FROM TO` passes on every sample of one stream as another, until it is killed."""

import sys

import pylsl
import pylsl.util

QUIET = "[log]\nlevel = -3\n"


def main(source: str, target: str) -> None:
    pylsl.set_config_content(QUIET)
    found = pylsl.resolve_byprop("name", source, timeout=30.0)
    inlet = pylsl.StreamInlet(found[0], recover=False)
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo(target, "Condition", found[0].channel_count(), 0.0, pylsl.cf_float32, target)
    )
    try:
        while True:
            sample, stamp = inlet.pull_sample(timeout=1.0)
            if sample is not None and stamp is not None:
                outlet.push_sample(sample, stamp)
    except pylsl.util.LostError:
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
