"""From telephone audio to voiceprints: codecs, voice activity, windows, quality, voice models."""
