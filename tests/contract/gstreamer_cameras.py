"""Cameras by GStreamer, a second party: run with Debian's own Python, which has its bindings. Prints the port, then serves until killed.

`rtsp PORT`: `/jpeg` and `/h264` by gst-rtsp-server. `mjpeg PORT`: a bare multipart stream, no HTTP, as `multipartmux` writes it.
"""

import socket
import sys

import gi

for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=480,framerate=20/1,format=I420"
MEDIA = {
    "/jpeg": f"( {PICTURE} ! jpegenc ! rtpjpegpay name=pay0 )",
    "/h264": f"( {PICTURE} ! openh264enc gop-size=20 ! rtph264pay name=pay0 config-interval=1 )",
}


def serve_rtsp(port: str) -> int:
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    for path, pipeline in MEDIA.items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(pipeline)
        factory.set_shared(True)
        factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    return server.get_bound_port()


def serve_mjpeg(port: str) -> int:
    """Answer every connection in HTTP and let GStreamer write the stream into its socket."""
    listener = socket.create_server(("127.0.0.1", int(port)))
    pipelines = []

    def accepted(_source, _condition):
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=ThisRandomString\r\n\r\n"
        )
        pipeline = Gst.parse_launch(f"{PICTURE} ! jpegenc ! multipartmux ! fdsink fd={connection.detach()}")
        pipeline.set_state(Gst.State.PLAYING)
        pipelines.append(pipeline)
        return True

    GLib.io_add_watch(listener.fileno(), GLib.IO_IN, accepted)
    return listener.getsockname()[1]


def main() -> None:
    Gst.init(None)
    print({"rtsp": serve_rtsp, "mjpeg": serve_mjpeg}[sys.argv[1]](sys.argv[2]), flush=True)
    GLib.MainLoop().run()


main()
