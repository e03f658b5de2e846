//! Why a stream or a connection was ended (RFC 9113 section 7).

use serde::{Deserialize, Serialize};

/// A code, by its name. Those that nobody knows are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing is wrong.
    NoError,
    /// The other side broke a rule.
    ProtocolError,
    /// The side itself failed.
    InternalError,
    /// The other side sent more than it was allowed.
    FlowControlError,
    /// Settings were not acknowledged.
    SettingsTimeout,
    /// A frame came for a stream that was over.
    StreamClosed,
    /// A frame has a length that its kind may not have.
    FrameSizeError,
    /// It was not looked at, and may be asked again.
    RefusedStream,
    /// It is not needed any more.
    Cancel,
    /// Fields could not be read.
    CompressionError,
    /// The connection behind it failed.
    ConnectError,
    /// There is too much of it.
    EnhanceYourCalm,
    /// The encryption is too weak.
    InadequateSecurity,
    /// It has to be asked over HTTP/1.1.
    Http11Required,
    /// Any other.
    Other,
}

impl Reason {
    /// In the order of their numbers.
    const ALL: [Self; 14] = [
        Self::NoError,
        Self::ProtocolError,
        Self::InternalError,
        Self::FlowControlError,
        Self::SettingsTimeout,
        Self::StreamClosed,
        Self::FrameSizeError,
        Self::RefusedStream,
        Self::Cancel,
        Self::CompressionError,
        Self::ConnectError,
        Self::EnhanceYourCalm,
        Self::InadequateSecurity,
        Self::Http11Required,
    ];

    /// By the number on the wire.
    pub fn of(number: u32) -> Self {
        let known = usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at));
        known.copied().unwrap_or(Self::Other)
    }

    /// The name in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "no_error",
            Self::ProtocolError => "protocol_error",
            Self::InternalError => "internal_error",
            Self::FlowControlError => "flow_control_error",
            Self::SettingsTimeout => "settings_timeout",
            Self::StreamClosed => "stream_closed",
            Self::FrameSizeError => "frame_size_error",
            Self::RefusedStream => "refused_stream",
            Self::Cancel => "cancel",
            Self::CompressionError => "compression_error",
            Self::ConnectError => "connect_error",
            Self::EnhanceYourCalm => "enhance_your_calm",
            Self::InadequateSecurity => "inadequate_security",
            Self::Http11Required => "http_1_1_required",
            Self::Other => "other",
        }
    }
}
