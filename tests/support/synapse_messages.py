"""Messages of the Synapse protocol, from its published definition alone, read by protobuf's own parser.

api/datatype.proto of https://github.com/sciencecorp/synapse-api, version 2.6.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["BroadbandFrame"]

FIELDS = {
    "ChannelRange": [("type", 1, "UINT32"), ("count", 2, "UINT32"), ("channel_ids", 3, "UINT32 repeated")],
    "BroadbandFrame": [
        ("timestamp_ns", 1, "UINT64"), ("sequence_number", 2, "UINT64"), ("frame_data", 3, "SINT32 repeated"),
        ("sample_rate_hz", 4, "UINT32"), ("channel_ranges", 5, "ChannelRange repeated"),
        ("unix_timestamp_ns", 6, "UINT64"),
    ],
}  # fmt: skip


def _message(name: str) -> type:
    file = descriptor_pb2.FileDescriptorProto(
        name="synapse_of_tests.proto", package="synapse_of_tests", syntax="proto3"
    )
    for message, fields in FIELDS.items():
        described = file.message_type.add(name=message)
        for field, number, kind in fields:
            kind, _, repeated = kind.partition(" ")
            label = "LABEL_REPEATED" if repeated else "LABEL_OPTIONAL"
            facts = {"name": field, "number": number, "label": getattr(descriptor_pb2.FieldDescriptorProto, label)}
            if kind in FIELDS:
                facts |= {"type": 11, "type_name": f".synapse_of_tests.{kind}"}
            else:
                facts["type"] = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}")
            described.field.add(**facts)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"synapse_of_tests.{name}"))


BroadbandFrame = _message("BroadbandFrame")
