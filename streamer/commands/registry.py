"""The commands, in the order of the top help.

A command NAME is the function NAME in the module `streamer/commands/NAME.py`, with _ for each -; its line here is the
summary of its docstring.
"""

__all__ = ["COMMANDS"]

COMMANDS = {
    "stream": "Stream a population's spikes over Lab Streaming Layer.",
    "monitor": "Watch a stream: running statistics, drift alarms, importance maps.",
    "record": "Record LSL streams to a file.",
    "replay": "Send a recorded file out again over Lab Streaming Layer.",
    "web": "Watch, steer and play with a stream in the browser, or replay a file.",
    "models": "List the bundles that ship, others by path, or what can be pulled.",
    "generate": "Write the spikes or the voltage of a stream to a file.",
    "verify": "Check, bit by bit, that a file holds what its header says.",
    "inspect": "Show what is in a recording's file, and what is read from it.",
    "convert": "Write a recording to a file of another format.",
    "train": "Train a model on a recording, or continue its training.",
    "export": "Export a trained model to a bundle that streams.",
    "pull": "Pull a bundle from the network into the cache.",
    "push": "Publish a bundle on the Hugging Face hub, with a model card.",
    "sign": "Sign a bundle, or make the keys for it.",
    "evaluate": "Compare a bundle, or samples of any model, with a recording.",
    "importance": "Map which spikes matter to a bundle's critic.",
    "score-sorting": "Judge the spikes of a spike sorter by the true ones.",
    "decode": "Compare decoders offline, on a recording.",
    "decodesweep": "Compare decoders offline over many recordings, bins and seeds.",
    "closedloop": "Compare decoders in a closed loop.",
    "sweep": "Compare decoders over many bundles, perturbations and seeds.",
    "falcon": "Write a decoder in the interface of the FALCON challenge.",
    "device": "Run a virtual stimulator, robot arm or latency probe over MQTT.",
    "doctor": "Check whether this machine can stream.",
}
