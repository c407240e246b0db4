import Foundation
import Glibc
import Report
import Testing

@Suite struct OutputFileTests {
    private func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func aFileAppearsOnlyWhenItIsWhole() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("report.json").path
            try "old".write(toFile: path, atomically: true, encoding: .utf8)
            var output = try OutputFile(path: path)
            try output.write(String(repeating: "x", count: 200_000))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
            try output.finish()
            #expect(try String(contentsOfFile: path, encoding: .utf8).utf8.count == 200_000)
            #expect(try names(in: folder) == ["report.json"])
        }
    }

    /// So a program that is killed leaves nothing behind, whatever the signal.
    @Test func aFileHasNoNameBeforeItIsWhole() throws {
        try withTemporaryFolder { folder in
            // O_TMPFILE, which not all file systems have.
            let descriptor = open(folder.path, O_WRONLY | 0o20000000 | O_DIRECTORY, 0o600)
            guard descriptor >= 0 else { return }
            close(descriptor)
            var output = try OutputFile(path: folder.appendingPathComponent("report.json").path)
            try output.write("half")
            try output.flush()
            #expect(try names(in: folder) == [])
            try output.finish()
            #expect(try names(in: folder) == ["report.json"])
        }
    }

    @Test func anAbandonedOutputLeavesNothing() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("report.json").path
            do {
                var output = try OutputFile(path: path)
                try output.write("half")
                try output.flush()
            }
            #expect(try names(in: folder) == [])
        }
    }

    @Test func aFileKeepsItsPermissionsAndItsLinks() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("report").path
            let link = folder.appendingPathComponent("link").path
            try "old".write(toFile: path, atomically: true, encoding: .utf8)
            chmod(path, 0o640)
            symlink("report", link)
            try OutputFile.write("new", to: link)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "report")
            var status = stat()
            stat(path, &status)
            #expect(status.st_mode & 0o777 == 0o640)
        }
    }

    @Test func aLinkToAFileThatIsYetToComeStaysOne() throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder.path + "/in", withIntermediateDirectories: false)
            for (name, target) in [("near", "report"), ("far", "in/more"), ("in/more", "../other"), ("absolute", folder.path + "/in/third")] { symlink(target, "\(folder.path)/\(name)") }
            for (link, file) in [("near", "report"), ("far", "other"), ("absolute", "in/third")] {
                try OutputFile.write(link, to: "\(folder.path)/\(link)")
                #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder.path)/\(link)").isEmpty == false)
                #expect(try String(contentsOfFile: "\(folder.path)/\(file)", encoding: .utf8) == link)
            }
            #expect(try names(in: folder.appendingPathComponent("in")) == ["more", "third"])
            // Two outputs in one place, by whatever name.
            symlink("late", folder.path + "/one")
            #expect(throws: OutputError.self) { try OutputFile.demandPlaces([folder.path + "/one", folder.path + "/late"], inputs: []) }
        }
    }

    @Test func aLinkThatLeadsNowhereIsAnError() throws {
        try withTemporaryFolder { folder in
            let path = folder.path + "/loop"
            symlink("loop", path)
            symlink("none/report", folder.path + "/lost")
            let isLoop = #expect(throws: OutputError.self) { try OutputFile.write("text", to: path) }
            #expect(isLoop?.code == ELOOP)
            let isLost = #expect(throws: OutputError.self) { try OutputFile.write("text", to: folder.path + "/lost") }
            #expect(isLost?.code == ENOENT)
            let left = try names(in: folder)
            #expect(left == ["loop", "lost"])
        }
    }

    @Test func aFullDiskIsAnError() {
        let error = #expect(throws: OutputError.self) { try OutputFile.write("text", to: "/dev/full") }
        #expect(error?.code == ENOSPC)
        #expect(error?.description == "/dev/full: cannot write: No space left on device")
    }

    @Test func aDeviceStaysADevice() throws {
        try OutputFile.write("text", to: "/dev/null")
        var status = stat()
        stat("/dev/null", &status)
        #expect(status.st_mode & S_IFMT == S_IFCHR)
    }

    @Test func aFolderAndAMissingFolderAreErrors() throws {
        try withTemporaryFolder { folder in
            let isFolder = #expect(throws: OutputError.self) { try OutputFile.write("text", to: folder.path) }
            #expect(isFolder?.code == EISDIR)
            let isMissing = #expect(throws: OutputError.self) { try OutputFile.write("text", to: folder.path + "/none/report") }
            #expect(isMissing?.code == ENOENT)
        }
    }

    @Test func aReaderThatGoesAwayIsNoError() throws {
        try withTemporaryFolder { folder in
            let pipe = folder.appendingPathComponent("pipe").path
            #expect(mkfifo(pipe, 0o600) == 0)
            let reader = open(pipe, O_RDONLY | O_NONBLOCK)
            var output = try OutputFile(path: pipe)
            close(reader)
            try output.write("text")
            try output.flush()
            let isGone = output.readerIsGone
            #expect(isGone)
            try output.write("more")
            try output.finish()
        }
    }
}
