-- What lines of the months for which `checked(period)` holds add to what windows are compared with; refunds
-- with the lines that they take back.

CREATE OR REPLACE TEMP VIEW lines_of_months AS
FROM plain_lines WHERE checked(period);

CREATE OR REPLACE TEMP VIEW originals_of_months AS
FROM original_lines WHERE checked(period);

INSERT INTO revenue_by_months
SELECT program, lever, whose, counts_on, sum(adds), bool_or(adds IS NULL)
FROM sold_by('lines_of_months', 'pieces', 'originals_of_months')
GROUP BY ALL;
