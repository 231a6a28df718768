import pytest

from rtl_core.models.layers import scaled


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (24, 1.0, 24),
        (64, 0.5, 32),
        (24, 0.1, 4),  # never fewer than four
        (72, 0.25, 20),  # 18 lies between 16 and 20, halves go up
        (16, 1.15, 20),  # 18.4: nearest is 20
        (10, 0.9, 12),  # 9: the nearest, 8, would lose more than 10 %
    ],
)
def test_scaled(channels, width, expected):
    assert scaled(channels, width) == expected


def test_scaled_keeps_nine_tenths_at_least():
    pairs = [(channels, width / 20) for channels in range(4, 300, 7) for width in range(2, 80)]
    assert all(scaled(c, w) % 4 == 0 and scaled(c, w) >= 0.9 * c * w for c, w in pairs)
