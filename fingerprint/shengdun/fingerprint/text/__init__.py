"""From what was said or written to comparable codes: normalising, masking, pinyin, shingles."""
