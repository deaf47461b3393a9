"""Seals values with the Python package. A job comes in on stdin, hex goes out on stdout, one line a value.

{"config": text, "kms": {name: [endpoint, "v1" or "v2"]}, "values": [{"resource", "key", "plaintext": hex}]}
"""

import json
import sys

import k8senc

job = json.load(sys.stdin)
kms = {name: k8senc.SocketKms(endpoint, version) for name, (endpoint, version) in job["kms"].items()}
config = k8senc.Config.parse(job["config"])
states = {name: k8senc.KmsState.create(plugin) for name, plugin in kms.items() if plugin.key_id}
state = next(iter(states.values()), None)
for value in job["values"]:
    chain = config.chain(value["resource"], kms=kms)
    print(chain.seal(bytes.fromhex(value["plaintext"]), value["key"], state).hex())
