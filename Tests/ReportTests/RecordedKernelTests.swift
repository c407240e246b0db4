@testable import Report
import Testing

/// Which scheme a kernel runs, by its release.
@Suite struct RecordedKernelTests {
    @Test(arguments: [
        ("4.9.0", ["v4.12"]), ("4.12.14-lab", ["v4.12"]), ("v4.10", ["v4.12"]), ("4.13.9", ["v4.13", "v4.13-parent"]), ("4.14.0", []), ("6.1.0-18-amd64", []),
    ])
    func aReleaseTellsTheScheme(_ release: String, _ schemes: [String]) throws {
        #expect(RecordedKernel(release: release).candidates == schemes)
        #expect(try RecordedKernel(named: release, traced: "6.1.0").release == release)
    }

    @Test(arguments: ["v4.12", "v4.13-parent", "v4.13"]) func aSchemeLeavesTheRelease(_ scheme: String) throws {
        let kernel = try RecordedKernel(named: scheme, traced: "4.13.9-lab")
        #expect(kernel.candidates == [scheme])
        #expect(kernel.release == "4.13.9-lab")
    }

    /// Taken for a kernel, these would be read as none: by other rules than the user asks for.
    @Test(arguments: ["linux-5.10", "5", "4.8.17", "3.17", "", "latest", "-4.12"]) func whatIsNoneIsRefused(_ name: String) {
        #expect(throws: UnknownKernel(name: name)) { try RecordedKernel(named: name, traced: nil) }
    }
}
