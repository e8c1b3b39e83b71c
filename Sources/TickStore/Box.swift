/// Holds a value that can't be copied, where there is one only now and then. One thread.
final class Box<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}
