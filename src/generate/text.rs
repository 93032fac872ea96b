//! Text put by hand into byte buffers: lines of hundreds of bytes, millions of times.

/// A CSV under construction.
pub trait Csv {
    fn text(&mut self, text: &[u8]);
    /// A whole number.
    fn integer(&mut self, value: i64);
    /// An amount in minor units, with as many decimals as its currency has.
    fn amount(&mut self, minor: i64, decimals: u32);
    fn comma(&mut self);
    /// A value and the comma after it.
    fn field(&mut self, text: &[u8]) {
        self.text(text);
        self.comma();
    }
}

impl Csv for Vec<u8> {
    fn text(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }

    fn integer(&mut self, value: i64) {
        if value < 0 {
            self.push(b'-');
        }
        let mut digits = [0_u8; 20];
        let mut place = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            place -= 1;
            digits[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.extend_from_slice(&digits[place..]);
    }

    fn amount(&mut self, minor: i64, decimals: u32) {
        if decimals == 0 {
            return self.integer(minor);
        }
        if minor < 0 {
            self.push(b'-');
        }
        let magnitude = minor.unsigned_abs();
        let unit = 10_u64.pow(decimals);
        self.integer((magnitude / unit).cast_signed());
        self.push(b'.');
        let mut rest = magnitude % unit;
        let start = self.len();
        self.resize(start + decimals as usize, b'0');
        for digit in self[start..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    fn comma(&mut self) {
        self.push(b',');
    }
}

/// An id in the 36 characters of a GUID.
#[must_use]
pub fn guid(high: u64, low: u64) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = (u128::from(high) << 64) | u128::from(low);
    let mut text = [b'-'; 36];
    let mut nibble = 0;
    for (place, letter) in text.iter_mut().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            continue;
        }
        *letter = HEX[((bits >> (124 - nibble * 4)) & 15) as usize];
        nibble += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_written() {
        let amount = |minor, decimals| {
            let mut line = Vec::new();
            line.amount(minor, decimals);
            String::from_utf8(line).expect("digits")
        };
        assert_eq!(amount(123_405, 2), "1234.05");
        assert_eq!(amount(-5, 2), "-0.05");
        assert_eq!(amount(-1_200, 0), "-1200");
        assert_eq!(amount(0, 2), "0.00");
        let text = String::from_utf8(guid(0x0123_4567_89ab_cdef, 1).to_vec()).expect("letters");
        assert_eq!(text, "01234567-89ab-cdef-0000-000000000001");
    }
}
