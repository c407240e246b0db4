/// The text of an event's format file; `fields` are its own, as the kernel prints them.
public func eventFormat(_ name: String, _ id: UInt16, _ fields: String) -> String {
    """
    name: \(name)
    ID: \(id)
    format:
    \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
    \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
    \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
    \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

    \(fields)
    print fmt: ""

    """
}
