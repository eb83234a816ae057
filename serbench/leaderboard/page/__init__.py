"""The published page: one HTML file that holds its boards, its style and its script."""
